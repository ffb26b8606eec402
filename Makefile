# The usual words, for those who look for them here: deploy.sh does the work, and has more of them.
.DEFAULT_GOAL := help
.PHONY: help install test check demo format lock build env serve deploy

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 10
	@echo 'ARGS="…" goes to test and lock; ./deploy.sh help lists everything.'

install: ## make .venv with all that is needed to develop
	./deploy.sh install

test: ## run the tests
	./deploy.sh test $(ARGS)

check: ## style, types, layers, vulnerabilities, docs in step, coverage
	./deploy.sh check

demo: ## start everything here, with a simulator of WhatsApp
	./deploy.sh demo

format: install ## sort the imports and format the code
	.venv/bin/python -m ruff check --select I --fix .
	.venv/bin/python -m ruff format .

lock: ## make the lock files from requirements*.txt
	./deploy.sh lock $(ARGS)

# The wheel comes from the sources in dist/, and never from what an earlier build left behind.
build: install ## build the sources and the wheel into dist/
	.venv/bin/python -m uv build --no-build-isolation --python .venv/bin/python

env: ## check the settings
	./deploy.sh env

serve: ## run the bot and its worker on this host
	./deploy.sh serve

deploy: ## build and start with Docker Compose
	./deploy.sh deploy
