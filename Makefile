# The two commands of the README. Both set up everything from a bare Python >= 3.11 and may be run in either order.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# Containers and CI often forbid Python to keep what it compiled. Every `local up` and every test process would compile
# scikit-learn and Pulumi anew: 8 seconds of CPU each.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check nightly setup lint lock reference wheels release pulumi prometheus mariadb amtool clean
demo: $(READY)
	$(BIN)/headwater demo

# Both suites side by side, and more processes than cores, so that the cores have work while a test waits; the local
# cloud's is told when it has ended.
test: $(READY)
	@mkdir -p .headwater; log=$$PWD/.headwater/localcloud-tests.log; \
	(cd localcloud && exec ../$(BIN)/python -m pytest --numprocesses=1) >"$$log" 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest --numprocesses=3; root=$$?; \
	wait $$beside; cloud=$$?; \
	echo "== localcloud"; cat "$$log"; \
	exit $$((root > cloud ? root : cloud))

# What to run before each commit: the linters, the types, and the tests that start no cloud.
check: lint
	$(BIN)/python -m pytest tests/unit

# What takes too long for every change: a thousand moves of each racing writer, two hundred runs with lost answers, and
# a crash at every place (tests/crashing.py) instead of every third.
CRASHING := $(shell grep -lrE "import .*crash_points" tests --include='test_*.py')
nightly: export HEADWATER_CRASH_STEP := 1
nightly: $(READY)
	HEADWATER_REF_MOVES=1000 HEADWATER_LOST_ANSWERS=200 $(BIN)/python -m pytest tests/unit/versions/test_refs.py $(CRASHING)

setup: $(READY)

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The real Pulumi CLI, for `headwater local up --engine pulumi` and its tests; needs Go, some minutes once.
pulumi:
	$(PYTHON) -m tools.pulumi.build

# Debian's Prometheus and promtool, unpacked and not installed, for the tests of metrics; needs apt-get.
prometheus:
	mkdir -p .headwater/prometheus
	cd .headwater/prometheus && rm -f prometheus_*.deb && apt-get download prometheus && dpkg -x prometheus_*.deb .

# A real MariaDB, for the tests of collectors that read MySQL; on Debian and Ubuntu.
mariadb:
	mkdir -p .headwater/mariadb
	cd .headwater/mariadb && rm -f *.deb && apt-get download mariadb-server mariadb-server-core libaio1 liburing2 && for one in *.deb; do dpkg -x $$one .; done

# Alertmanager's own answers about routes, for a test of ours; needs Go, two minutes once.
amtool:
	$(PYTHON) -m tools.amtool.build

$(READY): requirements/dev.txt headwater/locks/pyspark.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headwater needs Python >= 3.11, this is " + sys.version.split()[0] + ": make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable . --editable localcloud
	$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(VENV)/spark
	$(BIN)/uv pip sync --quiet --python $(VENV)/spark/bin/python --require-hashes headwater/locks/pyspark.txt
	touch $@

# Universal locks with hashes and without index addresses: one for development, one for each bundle, the container and Spark.
COMPILE := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header
lock: $(READY)
	$(COMPILE) --extra dev --no-emit-package headwater --no-emit-package localcloud -o requirements/dev.txt
	for extra in control serving data training spark pyspark; do $(COMPILE) --extra $$extra --no-emit-package headwater -c requirements/dev.txt -o headwater/locks/$$extra.txt; done

# Pages of docs/reference that are made from the code; a test fails when one is stale.
reference: $(READY)
	$(BIN)/python -m tools.reference

# What a project of one's own installs: pip install --find-links dist "headwater[local]"
wheels: $(READY)
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist .
	$(BIN)/uv build --quiet --wheel --no-build-isolation --python $(BIN)/python --out-dir dist localcloud

# Both distributions under one number: make release VERSION=0.1.0 NEXT=0.2.0
release: $(READY)
	$(BIN)/python -m tools.release $(VERSION) $(NEXT)

clean:
	-$(BIN)/headwater local down --yes
	rm -rf .headwater $(VENV)
