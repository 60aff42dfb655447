#!/bin/sh
# Starts the program with as little memory as it works well with; scripts/install puts this beside it as bin/weir. What is
# in the environment already stays as it is.
here=$(dirname "$(readlink -f "$0")")

# The C library (glibc) gives back what has been freed, rather than keep it in pieces.
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
export MALLOC_MMAP_THRESHOLD_="${MALLOC_MMAP_THRESHOLD_:-262144}"
export MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-131072}"

# The young part of V8's heap would grow to 48 MB under load. With less than this what waits for a commit is taken for old.
export NODE_OPTIONS="--max-semi-space-size=4${NODE_OPTIONS:+ $NODE_OPTIONS}"

# WEIR_NODE_FLAGS: options that NODE_OPTIONS may not have, such as those of a profile.
# shellcheck disable=SC2086
exec node --enable-source-maps ${WEIR_NODE_FLAGS-} "$here/../dist/main.js" "$@"
