# The few commands that a person needs; each is a readable script in scripts/.
# On a fresh Debian 12 machine with Rust, as root or with sudo, each installs
# what it lacks and says so.

.PHONY: help demo test check bench soak fuzz install setup

help:
	@echo "make demo     builds Backstop and shows it at work on a throwaway database"
	@echo "make test     every check and test, as CI runs them"
	@echo "make check    formatting, lints, documentation and floors, without the tests"
	@echo "make bench    the performance tables, against direct connections, PgBouncer, mitmproxy and Envoy"
	@echo "make soak     the long tests"
	@echo "make fuzz     the fuzz targets, a minute each"
	@echo "make install  builds Backstop and puts it into ~/.cargo/bin"
	@echo "make setup    installs what all of these need, and does nothing else"

demo:
	@scripts/demo.sh

test:
	@scripts/test.sh

check:
	@scripts/check.sh

bench:
	@scripts/bench.sh

soak:
	@scripts/soak.sh

fuzz:
	@scripts/fuzz.sh

install:
	@scripts/install.sh

setup:
	@scripts/setup.sh rust lint build postgres servers browser bench clients solver
