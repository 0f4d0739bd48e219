# Two commands make everything: `make notebooks` and `make test`. See README.md, and docs/teaching.md for classes.
PROFILE = $(or $(DENOISE_PROFILE),quick)
RUN = .venv/bin/python

.PHONY: notebooks verify handout test stress bench compat lab report clean

notebooks: .venv/installed
	$(RUN) notebooks/execute.py --profile $(PROFILE)

# FROM=nothing: finished runs and saved models do not count.
verify: .venv/installed
	$(RUN) notebooks/verify.py $(if $(FROM),--from $(FROM))

handout: .venv/installed
	$(RUN) notebooks/handout.py

test: .venv/installed
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

stress: .venv/installed
	$(RUN) -m pytest -m stress

bench: .venv/installed
	$(RUN) benchmarks/speed.py
	$(RUN) benchmarks/reproducibility.py

compat: .venv/installed
	$(RUN) benchmarks/compatibility.py

# In copies, so that the committed outputs stay; a copy with a student's work is kept.
lab: .venv/installed
	mkdir -p build/lab
	@for path in notebooks/*.ipynb notebooks/*.md; do \
	  copy=build/lab/$${path##*/}; \
	  if [ -f "$$path" ] && [ ! -e "$$copy" ]; then cp "$$path" "$$copy"; fi; \
	done
	$(RUN) -m jupyter lab build/lab

report: .venv/installed
	$(RUN) -m denoise_utils report models/ --profile $(PROFILE)

# build/runs holds the finished runs of the full profile, hours of work: it stays.
clean:
	rm -rf .venv build/quick build/tiny *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -d build/runs ]; then echo "kept build/runs: the finished runs of the full profile"; fi

# Made when missing or older than the requirements. PYTHON names another interpreter.
.venv/installed: requirements.txt requirements-dev.txt pyproject.toml
	@version='import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
	for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	  if $$candidate -c "$$version" 2>/dev/null; then \
	    found=$$candidate; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Expected Python 3.11, 3.12 or 3.13, found: $$(python3 --version 2>&1 | head -1)." \
	       "Install one of them, or name it: make $(MAKECMDGOALS) PYTHON=/path/to/python3.12" >&2; exit 1; \
	fi; \
	echo "Installing the requirements into .venv with $$found: a few minutes, about 2 GB."; \
	if ! $(RUN) -c "import pip; $$version" 2>/dev/null || [ -n "$(PYTHON)" ]; then \
	  $$found -m venv --clear .venv || exit 1; \
	fi; \
	$(RUN) -m pip install -q -r requirements-dev.txt -e . && touch $@
