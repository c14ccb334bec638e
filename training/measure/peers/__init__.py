"""Escribano beside other engines on the same weights: `comparison.py` runs it, `on_llama_cpp.py` is what llama.cpp needs, in an environment of its own."""
