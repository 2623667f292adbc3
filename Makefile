# Two commands matter: `make demo` and `make test`. Both set up everything they need in .venv.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3.10 python3))
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-toolchains check format bench clean

demo: $(READY)  ## deploy the shipped detector to this CPU; ends with table, verdict and the path of the report
	$(BIN)/edgewright deploy demo/detector.onnx --images demo/images/evaluation --labels demo/labels.json \
	  --calibration demo/images/calibration --out runs/demo

test: $(READY)  ## the default suite
	$(BIN)/python -m pytest -n auto --dist loadgroup

test-toolchains: $(READY)  ## tests that run a vendor's real toolchain
	$(BIN)/python -m pytest -m toolchain

check: $(READY)  ## style, types, direction of imports, sizes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_architecture.py

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)  ## figures with their peers; needs the measuring data beside the checkout
	$(BIN)/python benchmarks/calibration.py
	$(BIN)/python benchmarks/accuracy.py
	$(BIN)/python benchmarks/deploy_cost.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/repair.py
	$(BIN)/python benchmarks/runtime_input.py
	$(BIN)/python benchmarks/runtime_output.py
	$(BIN)/python benchmarks/runtime_frame.py
	$(BIN)/python benchmarks/runtime_input.py

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --disable-pip-version-check uv
	$(BIN)/python -m uv pip install -q --python $(BIN)/python -e '.[dev]' \
	  || $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[dev]'
	touch $@

clean:
	rm -rf .venv runs dist .pytest_cache .mypy_cache .ruff_cache
