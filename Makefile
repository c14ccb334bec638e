# Escribano. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
NOTES ?= $(firstword $(wildcard ../shared/notes/dev.jsonl bench/notes/free.jsonl))
MINUTES ?= 150
THREADS ?= $(shell nproc 2>/dev/null || echo 2)

.DEFAULT_GOAL := help
.PHONY: help demo serve test lint proto train bench bench-peers bench-masks bench-passes bench-load clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

.venv/.serve: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e . grpcio-tools==1.85.1
	@touch $@

.venv/.dev: pyproject.toml .venv/.serve
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	@touch $@

demo: .venv/.serve ## start a server, send it two notes, print the reports (no training)
	@$(BIN)/python -m service.rpc.generate_stubs
	@$(BIN)/python -m service.command.demo

serve: .venv/.serve ## serve on 127.0.0.1:50051
	$(BIN)/escribano serve

test: .venv/.dev ## run every test
	$(BIN)/python -m pytest -q

lint: .venv/.dev ## ruff, mypy, buf lint, stale-stub check
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/buf lint
	$(BIN)/python -m service.rpc.generate_stubs --check

proto: .venv/.serve ## regenerate the gRPC stubs
	$(BIN)/python -m service.rpc.generate_stubs

train: .venv/.dev ## rebuild tokenizer, base and adapter from nothing; resumes after a kill (MINUTES=150)
	$(BIN)/escribano-train all --output runs/full --minutes $(MINUTES) --threads $(THREADS) --notes bench/notes/free.jsonl --notes bench/notes/short.jsonl

bench: .venv/.dev ## measure reliability; tables under bench/ (NOTES=path of hand-written notes)
	$(BIN)/escribano-train bench --output bench $(if $(NOTES),--notes $(NOTES))

.venv-peers/.done: ## compiles llama.cpp, which takes some minutes
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	.venv-peers/bin/pip install --quiet --disable-pip-version-check llama-cpp-python==0.3.36 gguf==0.19.0
	@touch $@

bench-peers: .venv/.dev .venv-peers/.done ## measure time and memory beside llama.cpp and Outlines; bench/peers.*
	$(BIN)/escribano-train bench-peers --output bench

bench-masks: .venv/.dev ## measure what grounding costs: building a note's grammar, computing a mask; bench/masks.*
	$(BIN)/escribano-train bench-masks --output bench

bench-passes: .venv/.dev ## measure a forward pass in each executor, and how many a report takes; bench/passes.*
	$(BIN)/escribano-train bench-passes --output bench

bench-load: .venv/.dev ## measure many adapters at once, and latency at half the load; bench/load.*
	$(BIN)/escribano-train bench-load --output bench

clean: ## remove the environment and caches; runs/ stays
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis
