"""The base field, its extensions, and the vector kernels that work in them."""
