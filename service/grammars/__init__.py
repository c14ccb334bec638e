"""Grammars of schemas and of the texts of one request, and the matchers that follow them."""
