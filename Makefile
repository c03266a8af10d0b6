.PHONY: check test format

check:
	bash script/check.sh

test:
	bash script/test.sh

format:
	ruff check --fix .
	ruff format .
