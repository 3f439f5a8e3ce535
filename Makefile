# A thin wrapper: tools/bootstrap.py does all of it, and works without make.
PYTHON ?= python3
export QUICK

.PHONY: demo test test-fast test-long check bench bench-trust bench-stream
demo test test-fast test-long check bench bench-trust bench-stream:
	@$(PYTHON) tools/bootstrap.py $@
