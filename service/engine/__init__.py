"""Decoding: token ids, adapters and matchers in, token ids out. Knows no JSON, no schema and no gRPC."""
