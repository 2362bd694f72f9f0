# Building, testing and installing faultline. `make help` lists the targets.
B ?= build
CC ?= gcc
PREFIX ?= /usr/local
CFLAGS ?= -O3 -g
WARN = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARDEN = -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=2)
REVISION := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
ALL_CFLAGS = -std=gnu11 -D_GNU_SOURCE $(WARN) $(CFLAGS) $(HARDEN) $(SAN) -I. -I$(B)/gen -pthread
ALL_LDFLAGS = $(LDFLAGS) $(SAN) -pie -Wl,-z,relro,-z,now -pthread
LIBS = -lsqlite3 -lyaml -lz -lzstd -lsnappy -lcurl -lnghttp2 -lgnutls -lrdkafka -lm
PACKAGES = gcc make libc6-dev pkg-config libsqlite3-dev libyaml-dev zlib1g-dev libzstd-dev libsnappy-dev libcurl4-gnutls-dev libnghttp2-dev libgnutls28-dev librdkafka-dev
PAGE_PACKAGES = node=nodejs npm=npm
TEST_PACKAGES = libcmocka-dev python3 openssl=openssl sqlite3 prometheus clang-format clang-tidy protobuf-c-compiler libprotobuf-c-dev libjansson-dev chromium-headless-shell=chromium-headless-shell h2load=nghttp2-client haproxy nginx-light
FUZZ_PACKAGES = clang libclang-rt-14-dev llvm
# How many states of a function static analysis looks at. The tool's own default is 225000, at ten times the cost: what every test
# runs stops sooner; `make check TIDY_NODES=225000` goes all the way.
TIDY_NODES ?= 4000

# The page: built by Node from web/ui; UI=0 leaves it out, and web/dist/ (in packed releases) stands in for the build.
UI ?= 1
UI_SOURCES = $(wildcard web/ui/*.js web/ui/*.mjs web/ui/*.css web/ui/*.json web/ui/*/*.js)
UI_BUILT = $(if $(filter 0,$(UI)),,$(if $(wildcard web/dist/list),web/dist,$(B)/ui))

SOURCES = $(filter-out collector/main.c,$(wildcard collector/*.c collector/*/*.c exporters/*.c web/*.c))
OBJECTS = $(SOURCES:%.c=$(B)/obj/%.o)
UNITS = $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
BENCHES = $(patsubst tests/bench/%.c,$(B)/bench/%,$(wildcard tests/bench/bench_*.c))
TOOLS = $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c)) $(patsubst tests/shims/%.c,$(B)/shims/%.so,$(wildcard tests/shims/*.c))
ORACLES = $(patsubst %.c,$(B)/obj/%.o,$(filter-out tests/oracle/json_theirs.c,$(wildcard tests/oracle/*.c))) \
	$(B)/obj/tests/oracle/otlp_trace.pb-c.o $(B)/obj/tests/oracle/json_theirs_alone.o
FUZZERS = $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
# What the fuzz targets read bytes with: the rest of the program need not be built once more for them.
FUZZED = $(wildcard collector/base/*.c collector/model/*.c collector/decode/*.c collector/stitch/*.c collector/config*.c collector/store/inbox*.c) \
	collector/command/replay_pieces.c collector/command/replay_pieces_json.c exporters/otlp.c exporters/otlp_pb.c exporters/jaeger.c exporters/zipkin.c exporters/span_items.c
FUZZ_MAIN ?= $(B)/obj/tests/fuzz/replay.o
FUZZ_SAN = -fsanitize=address,undefined -fno-sanitize-recover=undefined
# In sanitized builds the sanitizer owns malloc, so tests that make it fail wrap it (tests/oracle/short_memory.h).
ALL_WRAPS = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=strndup
WRAPS = $(if $(SAN),$(ALL_WRAPS))

.PHONY: FORCE all setup packages deps demo run test tested built check checked layers format tidy units tools fuzzers replays scenes bench bench-faults bench-lookalike mesh-faults torture slow model mesh fuzz asan tsan pictures dist install clean help
.DELETE_ON_ERROR:

all: $(B)/faultline ## builds build/faultline

$(B)/faultline: $(B)/obj/collector/main.o $(B)/libfaultline.a
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(LIBS)

$(B)/libfaultline.a: $(OBJECTS)
	@rm -f $@
	ar rcs $@ $^

$(B)/libfuzzed.a: $(FUZZED:%.c=$(B)/obj/%.o)
	@rm -f $@
	ar rcs $@ $^

$(B)/gen/schema_sql.h: schema/embed.sh $(wildcard schema/sql/*.sql)
	@mkdir -p $(@D)
	sh schema/embed.sh schema/sql/*.sql > $@

$(B)/obj/collector/store/file.o: $(B)/gen/schema_sql.h

web/ui/node_modules/.done: web/ui/package.json web/ui/package-lock.json
	@command -v npm >/dev/null || { echo 'the page needs Node and npm: make deps installs them, make UI=0 builds without'; exit 1; }
	cd web/ui && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(B)/ui/list: web/ui/node_modules/.done $(UI_SOURCES)
	node web/ui/build.mjs $(B)/ui

# Written anew only when another page is meant, so that UI=0 and back rebuild what they must.
$(B)/gen/ui_from: FORCE
	@mkdir -p $(@D)
	@echo '$(UI_BUILT)' | cmp -s - $@ || echo '$(UI_BUILT)' > $@

$(B)/gen/ui_files.h: web/ui/embed.sh $(B)/gen/ui_from $(if $(UI_BUILT),$(UI_BUILT)/list)
	sh web/ui/embed.sh $(UI_BUILT) > $@

$(B)/gen/openapi.h: web/openapi.json
	@mkdir -p $(@D)
	{ echo 'static const unsigned char openapi_json[] = {'; od -An -v -tu1 $< | sed 's/  */,/g; s/^,//; s/$$/,/'; echo '};'; } > $@

$(B)/gen/revision: always # so that a build that goes on says which revision it is, everywhere
	@mkdir -p $(@D)
	@echo '$(REVISION)' | cmp -s - $@ || echo '$(REVISION)' > $@
.PHONY: always

$(B)/obj/web/pages.o: $(B)/gen/ui_files.h
$(B)/obj/web/api.o: $(B)/gen/openapi.h
$(B)/obj/collector/command/basics.o $(B)/obj/exporters/prometheus_render.o: $(B)/gen/revision
$(B)/obj/collector/command/basics.o $(B)/obj/exporters/prometheus_render.o: ALL_CFLAGS += -DFAULTLINE_REVISION='"$(REVISION)"'

$(B)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

$(B)/unit/%: tests/unit/%.c $(B)/libfaultline.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(filter %.o,$^) $(B)/libfaultline.a $(ALL_LDFLAGS) $(LIBS) -lcmocka

# What units share: headers, and the shop of those that ask localise().
$(UNITS): $(wildcard tests/unit/*.h)
$(filter $(B)/unit/test_localise%,$(UNITS)): $(B)/obj/tests/unit/shop.o

# The program that counts no roll-ups, to be held against (bench.py).
$(B)/bench/uncounted: tests/bench/uncounted.c $(B)/obj/collector/main.o $(B)/libfaultline.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -Wl,--wrap=count_trace -o $@ $^ $(ALL_LDFLAGS) $(LIBS)

$(B)/tools/%: tests/tools/%.c $(B)/libfaultline.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(B)/libfaultline.a $(ALL_LDFLAGS) $(LIBS)

# Not sanitized: nothing of ours is in it, and librdkafka's threads are no sanitizer's to judge.
$(B)/tools/kafka_mock: tests/tools/kafka_mock.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE $(WARN) -O1 -g -o $@ $< -lrdkafka

# Not sanitized: it is loaded before everything else.
$(B)/shims/%.so: tests/shims/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 -g -shared -fPIC -o $@ $<

# What tests compare the program with (tests/oracle). Generated code is built without our warnings.
$(B)/gen/otlp_trace.pb-c.h: schema/proto/otlp_trace.proto
	@mkdir -p $(@D)
	protoc-c --c_out=$(B)/gen --proto_path=schema/proto $<

$(B)/obj/tests/oracle/otlp_trace.pb-c.o: $(B)/gen/otlp_trace.pb-c.h
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -w -c -o $@ $(B)/gen/otlp_trace.pb-c.c

$(filter $(B)/obj/%,$(ORACLES)) $(B)/obj/tests/fuzz/decoders.o: | $(B)/gen/otlp_trace.pb-c.h
$(B)/obj/tests/oracle/short_memory.o: ALL_CFLAGS += $(if $(SAN),-DSHORT_MEMORY_WRAPS)

# jansson's names are like ours: it is linked into one object that shows a single function.
$(B)/obj/tests/oracle/json_theirs_alone.o: $(B)/obj/tests/oracle/json_theirs.o
	$(CC) -r -nostdlib -o $@ $< -l:libjansson.a
	objcopy --keep-global-symbol=json_theirs $@

$(FUZZERS): $(B)/fuzz/%: tests/fuzz/%.c $(B)/obj/tests/fuzz/shortage.o $(B)/obj/tests/fuzz/decoders.o $(FUZZ_MAIN) $(ORACLES) $(B)/libfuzzed.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $^ $(ALL_LDFLAGS) $(FUZZ_LINK) $(WRAPS) $(LIBS) -lprotobuf-c

setup: ## installs what building needs (Debian packages)
	@sh tests/deps.sh $(PACKAGES) $(if $(filter 0,$(UI)),,$(PAGE_PACKAGES))

packages: # of Debian, for building, checking and testing
	@sh tests/deps.sh $(PACKAGES) $(if $(filter 0,$(UI)),,$(PAGE_PACKAGES)) $(TEST_PACKAGES)

deps: packages ## the same, and what testing needs (also into tests/.real)
	@sh tests/real/install.sh

demo: setup ## installs, builds, shows a simulated mesh with a fault
	@$(MAKE) --no-print-directory all
	@$(B)/faultline demo

run: setup ## installs, builds, starts the collector
	@$(MAKE) --no-print-directory all
	@echo 'Send OTLP to http://127.0.0.1:4318/v1/traces or Zipkin to http://127.0.0.1:9411/api/v2/spans;'
	@echo 'the page is http://127.0.0.1:4319. To see it move:  build/faultline simulate --mesh shop --fault slow-service --to http://127.0.0.1:4318'
	$(B)/faultline serve

$(B)/bench/%: tests/bench/%.c $(B)/libfaultline.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -o $@ $< $(B)/libfaultline.a $(ALL_LDFLAGS) $(LIBS)

units: $(UNITS)
tools: $(TOOLS)
fuzzers: $(FUZZERS)
replays: # the fuzz targets that go through their corpus in every test
	@$(MAKE) --no-print-directory fuzzers B=build/replay SAN='$(FUZZ_SAN)' CFLAGS='-O1 -g1'

$(B)/tidy/collector/store/file.ok: $(B)/gen/schema_sql.h
$(B)/tidy/web/pages.ok: $(B)/gen/ui_files.h
$(B)/tidy/web/api.ok: $(B)/gen/openapi.h
$(B)/tidy/%.ok: %.c .clang-tidy
	@mkdir -p $(@D)
	@clang-tidy --quiet $< -- -std=gnu11 -D_GNU_SOURCE -I. -I$(B)/gen -DFAULTLINE_REVISION='"check"' \
		-Xclang -analyzer-config -Xclang max-nodes=$(TIDY_NODES) 2>$@.said || \
		{ cat $@.said; exit 1; }
	@touch $@

tidy: $(patsubst %.c,$(B)/tidy/%.ok,$(SOURCES) collector/main.c)
layers:
	@sh tests/layers.sh
format:
	@git ls-files '*.c' '*.h' | xargs clang-format --dry-run -Werror
checked: layers format tidy

check: ## layers, format, static analysis
	@$(MAKE) --no-print-directory -j2 checked

tests/ui/node_modules/.done: tests/ui/package.json tests/ui/package-lock.json
	cd tests/ui && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# Real counterparts are mostly waited for while they come: all is checked and built meanwhile.
test: packages ## installs, builds, and runs every test
	@sh tests/real/install.sh & $(MAKE) --no-print-directory -j2 checked built; ended=$$?; wait; exit $$ended
	@python3 tests/run.py $(B)

built: all units tools replays tests/ui/node_modules/.done

tested:
	@$(MAKE) --no-print-directory -j2 built
	@python3 tests/run.py $(B)

bench: all $(BENCHES) $(B)/bench/uncounted ## the table of figures; takes minutes
	@python3 tests/bench/bench.py $(B)

bench-faults: all ## where diagnose says that simulated faults began; SEED=1, FULL=1, HELD_OUT=1
	@python3 tests/bench/bench_faults.py $(B)

bench-lookalike: all ## the same with look-alikes of public data sets, written without looking at diagnose; SEED=1, N=200
	@python3 tests/bench/lookalike/run.py $(B) --seed $(or $(SEED),1) --n $(or $(N),200)

mesh-faults: all ## four real faults in the real Envoy mesh; a quarter of an hour
	@python3 tests/scenes/mesh_faults.py $(B)

torture: all tools ## two hundred kills under load; file operations that fail
	@python3 tests/scenes/kill.py $(B) 200
	@python3 tests/scenes/faults.py $(B)

slow: all deps ## real counterparts that start slowly: the Java agent, a Zipkin server
	@sh tests/real/install.sh slow
	@python3 tests/run.py $(B) slow

model: tools ## the stitcher against its model in Python: MODEL_TRACES (50000) random traces
	@python3 tests/scenes/scene_model.py $(B) $${MODEL_TRACES:-50000}

mesh: deps ## twenty meshes of real Envoys, every tracer, with and without applications' spans
	@$(MAKE) --no-print-directory all
	@python3 tests/scenes/scene_envoy.py $(B)

fuzz: deps ## each fuzzer for FUZZ_SECONDS (60), or FUZZ_ONLY=otlp_pb
	@sh tests/deps.sh $(FUZZ_PACKAGES)
	@$(MAKE) --no-print-directory fuzzers B=build/clang CC=clang SAN='$(FUZZ_SAN)' CFLAGS='-O1 -g -fsanitize=fuzzer-no-link' \
		FUZZ_MAIN= FUZZ_LINK=-fsanitize=fuzzer
	@sh tests/fuzz/run.sh build/clang/fuzz $${FUZZ_SECONDS:-60} $${FUZZ_ONLY:-all}

asan: deps ## every test with the address and undefined-behaviour sanitizers
	@$(MAKE) --no-print-directory tested B=$(B)/asan SAN='-fsanitize=address,undefined -fno-sanitize-recover=undefined' CFLAGS='-O1 -g'

tsan: deps ## every test with the thread sanitizer
	@$(MAKE) --no-print-directory tested B=$(B)/tsan SAN=-fsanitize=thread CFLAGS='-O1 -g'

pictures: deps ## pictures of the pages on simulated data, into web/pictures
	@$(MAKE) --no-print-directory all tests/ui/node_modules/.done
	@python3 tests/ui/pictures.py $(B)

dist: $(B)/ui/list ## a packed release with the built page: it builds without Node
	@rm -rf $(B)/dist && mkdir -p $(B)/dist/faultline
	git archive HEAD | tar -x -C $(B)/dist/faultline
	cp -r $(B)/ui $(B)/dist/faultline/web/dist
	tar -C $(B)/dist -cz -f $(B)/faultline-$(REVISION).tar.gz faultline
	@echo $(B)/faultline-$(REVISION).tar.gz

SHARE = $(DESTDIR)$(PREFIX)/share
install: all ## copies the program, its manual page, what shells complete, rules and dashboard to DESTDIR/PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
		$(SHARE)/fish/vendor_completions.d $(SHARE)/faultline
	install -m 755 $(B)/faultline $(DESTDIR)$(PREFIX)/bin/faultline
	$(B)/faultline completion man > $(SHARE)/man/man1/faultline.1
	$(B)/faultline completion bash > $(SHARE)/bash-completion/completions/faultline
	$(B)/faultline completion zsh > $(SHARE)/zsh/site-functions/_faultline
	$(B)/faultline completion fish > $(SHARE)/fish/vendor_completions.d/faultline.fish
	install -m 644 exporters/prometheus_recording.yml exporters/prometheus_alerts.yml exporters/grafana_dashboard.json $(SHARE)/faultline/

clean: ## removes what was built
	rm -rf $(B)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/*/*/*.d)
