# Each target is a line: `python -m workbook …` does the work, and makes .venv when it is missing.
PYTHON ?= python3

.PHONY: lab test check notebooks site bench claims doctor

lab: ; @$(PYTHON) -m workbook lab
test: ; @$(PYTHON) -m workbook test
check: ; @$(PYTHON) -m workbook check
notebooks: ; @$(PYTHON) -m workbook notebooks
site: ; @$(PYTHON) -m workbook site
bench: ; @$(PYTHON) -m workbook bench
claims: ; @$(PYTHON) -m workbook claims
doctor: ; @$(PYTHON) -m workbook doctor
