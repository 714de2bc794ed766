# Thin: ./setup sees to the packages, cargo does the work.
#
#   make           the program, target/release/kolmo (says first what is missing)
#   make demo      installs what is missing, builds, runs the demonstration
#   make test      all tests, on 1, 2 and 3 MPI ranks too
#   make test-report   reports in a headless browser, with screenshots (skips without Chromium)
#   make install   kolmo into ~/.cargo/bin; with MPI: make install FEATURES=mpi
#   make bench     kernels beside the limits of this machine
#   make lint      formatting and clippy, no warnings

FEATURES ?=
BUILT := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
export PATH := $(PATH):$(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)/bin

.PHONY: build demo test test-report install bench lint

build:
	@sh setup --check $(filter mpi,$(FEATURES))
	cargo build --release --locked --features "$(FEATURES)"

demo:
	@sh setup
	cargo build --release --locked
	$(BUILT)/release/kolmo demo

# One build, with MPI, for all of it.
test:
	@sh setup mpi
	cargo test --locked --features mpi --no-run
	cargo test --locked --features mpi
	sh tests/mpirun.sh
	sh tests/examples.sh

# Looks at reports as a reader would.
test-report:
	cargo build --release --locked --features "$(FEATURES)"
	sh tests/report/test.sh $(BUILT)/release/kolmo

install:
	@sh setup $(filter mpi,$(FEATURES))
	cargo install --locked --path . --features "$(FEATURES)"

bench:
	@sh setup --check
	cargo bench --locked

lint:
	@sh setup --check mpi
	cargo fmt --all -- --check
	cargo clippy --locked --all-targets --features mpi -- -D warnings
	cargo clippy --locked --all-targets -- -D warnings
