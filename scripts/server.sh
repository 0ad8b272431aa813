# Sourced by scripts/mariadb, scripts/mysql and scripts/galera: what a throwaway database server needs, whoever made it.

say() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; }
die() { say "$*"; exit 1; }

# Root, or the means to become it; nothing where neither is at hand.
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

# A port of the loopback interface that nobody listens on, below the range that the kernel hands out itself.
free_port() {
    local port
    for _ in $(seq 50); do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
    die "found no free port on 127.0.0.1"
}

# The folder of the server, its owner and its first statements: $dir, $owner, $dir/init.sql.
prepare() {
    dir=$(mktemp -d "${TMPDIR:-/tmp}/pointsman-db.XXXXXX")
    owner=$(id -un)
    # Database servers refuse to run as root.
    if [ "$owner" = root ]; then owner=$(id -un mysql 2>/dev/null || echo nobody); fi
    cat >"$dir/init.sql" <<'SQL'
CREATE USER IF NOT EXISTS 'pointsman'@'%' IDENTIFIED BY 'pointsman';
GRANT ALL PRIVILEGES ON *.* TO 'pointsman'@'%' WITH GRANT OPTION;
CREATE DATABASE IF NOT EXISTS pointsman CHARACTER SET utf8mb4;
SQL
    mkdir "$dir/data" "$dir/tmp"
    chown -R "$owner" "$dir"
    port=$(free_port)
    trap stop EXIT
    trap 'exit 130' INT TERM
}

stop() {
    if [ -n "${server:-}" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$dir"
}

# Starts the server ("$@", which ends the options that must come first). Its pid is $server.
launch() {
    "$@" \
        --user="$owner" --datadir="$dir/data" --tmpdir="$dir/tmp" --socket="$dir/sock" --pid-file="$dir/pid" \
        --bind-address=127.0.0.1 --port="$port" --init-file="$dir/init.sql" \
        --innodb-flush-log-at-trx-commit=1 --innodb-buffer-pool-size=64M --max-connections=400 \
        --max-allowed-packet=64M >"$dir/log" 2>&1 &
    server=$!
}

# Starts it, waits until it listens, and prints nothing. Its log is shown when it does not come up.
start() {
    launch "$@"
    for _ in $(seq 300); do
        if grep -q "ready for connections" "$dir/log" && (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then return; fi
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    cat "$dir/log" >&2
    die "the server did not start"
}

address() { echo "mysql://pointsman:pointsman@127.0.0.1:$port/pointsman"; }
