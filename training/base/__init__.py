"""The base model: tokenizer, initial weights, what it is shown (`stream.py`), what is asked of it (`objective.py`) and the run (`pretrain.py`)."""
