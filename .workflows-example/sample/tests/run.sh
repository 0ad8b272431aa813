#!/bin/sh
# Tests src/greet.sh; the exit code says whether all is well.
set -eu
failed=0

check() {
  expected=$1
  shift
  seen=$(sh src/greet.sh "$@")
  if [ "$seen" = "$expected" ]; then
    echo "ok: $seen"
  else
    echo "FAILED: expected '$expected', saw '$seen'"
    failed=1
  fi
}

check 'Hello, world!'
check 'Hello, Ada!' Ada
check 'Hello, a b c!' 'a b c'
sleep 1

# The switch of `pointsman dev --break`.
if [ -e BREAK ]; then
  echo "FAILED: expected 'Goodbye', saw 'Hello'"
  echo "::error file=src/greet.sh,line=3::the greeting should be Goodbye as long as BREAK is there"
  failed=1
fi

exit "$failed"
