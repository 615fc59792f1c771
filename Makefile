# `make demo` and `make test` work on a fresh clone with Python >= 3.11 and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help setup test lint demo clean

help:
	@echo "make setup   virtual environment with pwarp and its extras (2 to 5 minutes, about 5 GB)"
	@echo "make demo    render a clip, propagate 9 key frames to 120 frames, overlay video and report (about 1 minute after set-up)"
	@echo "make test    the whole test suite (under 12 minutes on 2 cores)"
	@echo "make lint    ruff and mypy (strict)"

setup: $(READY)

$(READY): pyproject.toml constraints.txt
	@echo "Setting up $(VENV): 2 to 5 minutes and about 5 GB, most of it torch."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[yolo,formats,onnx,plot,ray,dev]'
	@touch $@

test: $(READY)
	@echo "Running the test suite: under 12 minutes on 2 cores."
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

demo: $(READY)
	@echo "Demo: render 120 frames, propagate, draw: about 1 minute. Results in demo-out/."
	PATH="$(abspath $(BIN)):$$PATH" sh examples/demo.sh demo-out

clean:
	rm -rf $(VENV) demo-out build dist *.egg-info
