"""What a model and its engine are worth: reports against gold (`evaluate.py`, `bench.py`), confidences, time and memory, peers."""
