#!/bin/sh
VERSION=1.2.0
greeting="Hello"

# Greets whoever is named, or everybody.
printf '%s, %s!\n' "$greeting" "${1:-world}"
[ "${2:-}" != --version ] || echo "greet $VERSION"
