"""The gRPC server: its process (`server.py`), the methods (`servicer.py`), and what goes over the wire."""
