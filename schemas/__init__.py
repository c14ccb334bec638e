"""What training and serving share: schemas, their canonical JSON, admission, validation and grounding.

Imports neither `service` nor `training`.
"""
