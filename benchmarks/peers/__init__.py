"""The provers of others, as far as a comparison needs them: how they come here, how they run, what they run."""
