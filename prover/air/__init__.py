"""Tables of constraints: how they are stated, checked and evaluated."""
