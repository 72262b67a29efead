# The habits of this repository. `cargo xtask` does the work; these are short names for it.

# List the recipes.
default:
    @just --list

# One node with the example application.
up *ARGS:
    cargo xtask up {{ARGS}}

down:
    cargo xtask down

# Install what is missing, build the guests, run every test.
test:
    cargo xtask test

# Integration tests whose name contains FILTER.
it FILTER:
    cargo xtask test --it {{FILTER}}

# Type-check everything, tests included.
check:
    cargo xtask check

# Formatting, clippy, dependency rules, tidy.
lint:
    cargo xtask lint

# Build the wasm guests.
guests:
    cargo xtask guests

# Print the benchmark tables of the release build.
bench *ARGS:
    cargo xtask bench {{ARGS}}

# Fuzz a target of tests/fuzz for SECONDS.
fuzz TARGET SECONDS="60":
    cargo xtask fuzz {{TARGET}} --seconds {{SECONDS}}

# Build with cargo's timing report.
timings:
    cargo xtask timings
