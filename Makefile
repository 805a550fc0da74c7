# Two commands: `make demo` and `make test`. Both prepare .venv first and say what they do.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: help demo test lint environment wheel clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    run the main job on a simulated water network (closed loop, about a minute)"
	@echo "make test    run the whole test suite"
	@echo "make lint    ruff, strict types, layers"
	@echo "make wheel   build the distribution into dist/"
	@echo "make clean   remove .venv and build products"

environment:
	@$(PYTHON) deploy/prepare_environment.py

demo: environment
	@$(BIN)/industriverse demo $(DEMO_OPTIONS)

# torch, kglite and scikit-learn together need more static TLS than glibc sets aside for libraries loaded late.
# A file stays in one process, so that its tests share what they prepared; each process computes with one thread.
TEST_PROCESSES ?= logical
test: environment
	@echo "test: running the whole suite"
	@OMP_NUM_THREADS=1 GLIBC_TUNABLES=glibc.rtld.optional_static_tls=16384 $(BIN)/python -m pytest \
		--numprocesses $(TEST_PROCESSES) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(TEST_OPTIONS)

lint: environment
	@echo "lint: ruff, formatting, strict types, layers"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

wheel: environment
	@$(BIN)/python -m build

clean:
	rm -rf .venv build dist
