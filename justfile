# The ways to check and try the harness. `just` alone lists them.

_list:
    @just --list

# All that CI runs: format, clippy, tests, docs, quickstart, instruction counts, licences, fuzzing
check:
    bash .ci/run

# The tests, as the README runs them
test *ARGS:
    cargo test --locked {{ ARGS }}

# Tests too long or too heavy for every run
heavy *ARGS:
    cargo test --release --locked -- --ignored {{ ARGS }}

# Format, clippy, docs
lint:
    cargo fmt --all --check
    rustfmt --edition 2024 --check fuzz/fuzz_targets/*.rs
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# Fuzz one target for some seconds
fuzz TARGET="decode" SECONDS="60" *ARGS:
    fuzz/run {{ TARGET }} {{ SECONDS }} {{ ARGS }}

# The benches, or those whose names match
bench *ARGS:
    cargo bench --locked {{ ARGS }}

# Instruction counts against those stored; with `--renew` they are stored. Needs Valgrind and gungraun-runner
instructions *ARGS:
    .ci/instructions {{ ARGS }}

# The README's command
quickstart *ARGS:
    cargo run --release --locked -- run profiles/quickstart.toml {{ ARGS }}

# The tests against the vendor's own client; needs Node
vendor:
    cd tests/vendor && npm ci --no-audit --no-fund
    WTSP_LOAD_REQUIRE_VENDOR=1 cargo test --locked --test vendor

# The tests of the HTML report in a browser; needs Node and Chromium
browser:
    cd tests/browser && npm ci --no-audit --no-fund
    WTSP_LOAD_REQUIRE_BROWSER=1 cargo test --locked --test browser

# Pictures of an HTML report, on screens and on paper
shots PAGE DIR:
    node tests/browser/shots.mjs {{ PAGE }} {{ DIR }}
