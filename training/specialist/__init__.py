"""A schema in, a specialist out: notes for any admitted schema, and the run that trains and measures an adapter on them."""
