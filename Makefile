# Two commands matter: `make run` and `make test`. Everything happens in .venv.
PORT ?= 8000
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
export PORT

.PHONY: run dev test test-all check crash bench screenshots sbom format clean

run: $(VENV)/run
	$(BIN)/flask database upgrade
	$(BIN)/flask discussion publish --keep-edits instance/discussions/*.toml
	exec $(BIN)/flask serve

# As `make run`, and started anew when code or templates change; refused where PUBLIC_URL is public.
dev: export FLASK_DEBUG = 1
dev: $(VENV)/run
	$(BIN)/flask database upgrade
	$(BIN)/flask discussion publish --keep-edits instance/discussions/*.toml
	exec $(BIN)/python -m tests.reloader $(BIN)/flask serve --host 127.0.0.1

# All tests but the slow ones, which kill processes or take whole journeys.
test: $(VENV)/test
	$(BIN)/python -m pytest -n 3 --dist worksteal -m "not slow"

test-all: $(VENV)/test
	$(BIN)/python -m pytest -n 3 --dist worksteal

check: $(VENV)/test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/bandit --quiet --recursive --configfile pyproject.toml registration wsgi.py
	$(MAKE) test-all

# What safety promises, as figures: BRIEF=1 takes two minutes, FULL=1 hours.
crash: $(VENV)/test
	$(BIN)/python -m tests.reliability

# Speed, each figure beside a baseline of the same run.
bench: $(VENV)/test
	$(BIN)/python -m bench.desk

# Every page of the desk as a picture, after a look at each by the browser: six in docs/desk, the
# others in build/screenshots.
screenshots: $(VENV)/test
	$(BIN)/python -m tests.screenshots

# What a server runs, as CycloneDX: made from requirements/run.txt and docs/dependencies.md.
sbom:
	mkdir -p build
	$(PYTHON) requirements/sbom.py > build/sbom.json

format: $(VENV)/test
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV)

$(VENV)/run: requirements/run.txt
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed.")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@

$(VENV)/test: requirements/test.txt $(VENV)/run
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	touch $@
