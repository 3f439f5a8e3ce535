# A thin wrapper: tools/bootstrap.py does all of it, and works without make.
PYTHON ?= python3
export QUICK

.PHONY: demo demo-kafka test test-fast test-long check bench bench-trust bench-stream bench-spark bench-mapreduce
demo demo-kafka test test-fast test-long check bench bench-trust bench-stream bench-spark bench-mapreduce:
	@$(PYTHON) tools/bootstrap.py $@
