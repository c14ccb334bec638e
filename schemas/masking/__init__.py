"""From a schema to the one that the mask engine gets (`mask.py`): unfolded into alternatives of one type each."""
