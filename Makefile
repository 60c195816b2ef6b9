PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: install demo test coverage lint docs bench clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $(STAMP)

demo: install
	rm -rf runs/demo
	$(BIN)/pushforward train digits --out runs/demo
	$(BIN)/pushforward evaluate runs/demo
	$(BIN)/pushforward report runs/demo
	@echo "open runs/demo/report.html"

test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal

coverage: install # at half the speed
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered -n 2 --dist worksteal

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

docs: install
	$(BIN)/python -m pdoc --docformat google --math --output-directory build/docs pushforward
	@echo "open build/docs/index.html"

bench: install
	$(BIN)/python -m pip install --quiet --no-deps --constraint constraints.txt torchcfm torchdiffeq flow-matching
	$(BIN)/pushforward bench --vs torchcfm --out runs/bench

clean:
	rm -rf .venv build runs .coverage* .pytest_cache .ruff_cache
