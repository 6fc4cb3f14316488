# The front door. What is built is cargo's business, so nothing here names a source file.
# The variable AR belongs to make itself and stays unused.

PREFIX = /usr/local
DESTDIR =
CARGO = cargo

bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man
bashdir = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
zshdir = $(DESTDIR)$(PREFIX)/share/zsh/site-functions
fishdir = $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d

TOOLS = ar ar-diagnose ar-exec ar-log ar-pick ar-setup
# .cargo/config.toml names the host as the target, so cargo builds below a directory of its name.
target = $(or $(CARGO_TARGET_DIR),target)/$(shell rustc -vV | sed -n 's/^host: //p')
release = $(target)/release
completions = $(release)/completions
macos = aarch64-apple-darwin

all:
	$(CARGO) build --release --locked $(TOOLS:%=-p %) -p ar-completions
	$(release)/ar-completions $(completions)

# The suite runs the tools, so all of them are built before any test.
check:
	$(CARGO) build --locked --workspace --bins
	$(CARGO) test --locked --workspace --no-fail-fast

demo:
	$(CARGO) build --locked --workspace --bins
	contrib/demo $(target)/debug

# The code for macOS is checked wherever rustup has that target. Nothing is linked, so a C compiler that does nothing will do.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	test $(notdir $(target)) = $(macos) || test ! -d "$$(rustc --print target-libdir --target $(macos))" || \
		CC_$(subst -,_,$(macos))=true AR_$(subst -,_,$(macos))=true \
		$(CARGO) clippy --locked --workspace --all-targets --target $(macos) -- -D warnings
	mandoc -T lint -W warning man/*.[1-9]

# How well the rules of ar-diagnose judge: our own texts, and what FILES names.
score:
	TZ=UTC $(CARGO) run --release --locked -q -p ar-diagnose --example score -- tests/fixtures/errors $(FILES)

# Needs cargo-fuzz and a nightly toolchain. FUZZ_SECONDS=1200 for a long run. The timeout is of the wall clock: on a busy
# machine a second passes while nothing is judged.
FUZZ_SECONDS = 60
fuzz:
	mkdir -p fuzz/corpus/judge
	find tests/fixtures/errors -name '*.txt' | while read -r f; do cp "$$f" "fuzz/corpus/judge/$$(echo "$$f" | tr / -)"; done
	$(CARGO) +nightly fuzz run judge fuzz/corpus/judge -- -max_total_time=$(FUZZ_SECONDS) -timeout=5

# Installs the current agents and takes some ten minutes; an agent's name in AGENTS checks that one alone.
check-clis:
	$(CARGO) build --locked --workspace --bins
	$(target)/debug/ar-check-clis $(AGENTS)

# BENCH_ROWS is the length of the longest history; ten million rows take some gigabytes and a minute or two.
BENCH_ROWS = 10000000
bench: all
	$(CARGO) build --release --locked -p ar-tests --bins
	$(release)/ar-bench $(BENCH_ROWS)
	$(CARGO) run --release --locked -q -p ar-diagnose --example splices -- tests/fixtures/errors $(FILES)

install: all
	install -d $(bindir) $(mandir)/man1 $(mandir)/man5 $(mandir)/man7 $(bashdir) $(zshdir) $(fishdir)
	cd $(release) && install $(TOOLS) $(abspath $(bindir))
	install -m 644 man/*.1 $(mandir)/man1
	install -m 644 man/*.5 $(mandir)/man5
	install -m 644 man/*.7 $(mandir)/man7
	install -m 644 $(completions)/bash/* $(bashdir)
	install -m 644 $(completions)/zsh/* $(zshdir)
	install -m 644 $(completions)/fish/* $(fishdir)

uninstall:
	cd $(bindir) && rm -f $(TOOLS)
	cd $(mandir)/man1 && rm -f $(notdir $(wildcard man/*.1))
	cd $(mandir)/man5 && rm -f $(notdir $(wildcard man/*.5))
	cd $(mandir)/man7 && rm -f $(notdir $(wildcard man/*.7))
	cd $(bashdir) && rm -f $(TOOLS)
	cd $(zshdir) && rm -f $(TOOLS:%=_%) _ar_names
	cd $(fishdir) && rm -f $(TOOLS:%=%.fish)

clean:
	$(CARGO) clean

.PHONY: all check demo lint score fuzz check-clis bench install uninstall clean
