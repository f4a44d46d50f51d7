#!/bin/sh
# After `npm ci`, when check-runtime.js failed with the status $1. 127 means that the Node which npm linked
# is for another C library (Alpine) and could not even start, so that the sentence is left to the shell.
if [ "$1" = 127 ]; then
  echo 'system_unsupported: Holdfast needs Linux with glibc on x64 or arm64; the Node that npm installed does not run here.' >&2
fi
exit 1
