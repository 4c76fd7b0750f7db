# Thin verbs. `make run` needs cargo and gcc only; `make test` installs what else it needs.

export PYO3_BUILD_EXTENSION_MODULE = 1
CARGO ?= cargo
PYTHON = target/venv
NODE = tests/interop/node_modules tests/browser/node_modules

.PHONY: run test check check-deep sim sim-crash kill bench

run: ## a broker on loopback with a page for the browser (PAGE=no: without) that keeps what it has in data
	$(CARGO) run --release --locked -p libmqtt-runtime --example embedded -- data $(if $(filter no,$(PAGE)),--no-page)

test: ## every test of every language
	bash tests/run

check: $(PYTHON)/ready ## format, lints, documentation, habits
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps
	$(CARGO) test --quiet --locked -p libmqtt-tidy
	$(PYTHON)/bin/ruff check tests
	$(PYTHON)/bin/ruff format --check tests

check-deep: ## sanitizers, and what else takes long
	bash tests/check-deep

sim: ## simulated time: SEED=N replays one seed, COUNT=N runs many
	$(CARGO) run --release --locked -p libmqtt-sim -- --seed $(or $(SEED),0) --count $(or $(COUNT),$(if $(SEED),1,5000))
	$(if $(SEED),,$(MAKE) --no-print-directory sim-crash COUNT=$(or $(COUNT),5000))

sim-crash: ## the same with a broker and clients that store and lose their power
	$(CARGO) run --release --locked -p libmqtt-sim -- --crash --seed $(or $(SEED),0) --count $(or $(COUNT),$(if $(SEED),1,5000))

kill: $(PYTHON)/ready ## kill a broker under load ROUNDS=50 times, then clients, and count what is lost
	$(CARGO) build --release --locked -p libmqtt-cli
	$(CARGO) build --release --locked -p libmqtt-runtime --example crash-client
	$(PYTHON)/bin/python tests/crash/kill.py $(or $(ROUNDS),50)
	$(PYTHON)/bin/python tests/crash/client.py $(or $(ROUNDS),50) $(SEED)

bench: ## what the parts cost and, if MQLOAD names a generator, the broker beside mosquitto
	$(CARGO) run --release --locked -p libmqtt-bench
ifdef MQLOAD
	$(CARGO) build --release --locked -p libmqtt-cli
	python3 tests/bench/run.py
else
	@echo "No load over sockets: MQLOAD is not set (tests/bench/README.md)."
endif

# What tests in other languages stand on; made again when the list of versions changes.
$(PYTHON)/ready: tests/interop/requirements.txt
	python3 -m venv $(PYTHON)
	$(PYTHON)/bin/pip install --quiet --disable-pip-version-check -r $<
	touch $@

$(NODE:=/ready): %/node_modules/ready: %/package-lock.json
	cd $* && npm ci --no-audit --no-fund
	touch $@

include ffi/install.mk
