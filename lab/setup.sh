#!/bin/sh
# `lab/setup.sh FOLDER`: installs what the lab needs and makes every sample anew in FOLDER. For root on Debian 12 or a like system.
# Only the Debian packages and the folder .lab-venv are left behind; what runs, runs in network namespaces of its own.
set -eu
cd "$(dirname "$0")/.."
out=${1:-sample_pcaps}
python=${PYTHON:-python3}
venv=.lab-venv
packages='tshark tcpdump squid nginx haproxy apache2 tinyproxy privoxy varnish trafficserver lighttpd libnginx-mod-stream hitch stunnel4 caddy h2o nghttp2-proxy
    microsocks dante-server node-http-proxy nftables iproute2 ethtool curl openssl procps
    bsdutils krb5-kdc krb5-admin-server krb5-user libkrb5-dev gcc python3-dev python3-venv'

[ "$(id -u)" = 0 ] || { echo 'the lab makes network namespaces: run it as root' >&2; exit 1; }
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'the lab needs Python 3.11 or newer' >&2; exit 1; }

missing=
for name in $packages; do
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q ' installed$' || missing="$missing $name"
done
if [ -n "$missing" ]; then
    # Another package manager may hold the lock: apt-get waits for it, and the whole is tried again.
    export DEBIAN_FRONTEND=noninteractive
    # No service is to start because its package was installed.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod +x "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    for try in 1 2 3 4 5; do
        # shellcheck disable=SC2086
        timeout 900 apt-get -o DPkg::Lock::Timeout=120 -qq update &&
            timeout 900 apt-get -o DPkg::Lock::Timeout=120 -qq install --no-install-recommends -y $missing && break
        [ "$try" = 5 ] && exit 1
        sleep 10
    done
fi

# mitmproxy and Px pin versions that the clients cannot use, so each lives in an environment of its own.
for part in clients mitmproxy px; do
    wanted=lab/requirements.txt
    [ "$part" = clients ] || wanted=lab/requirements-$part.txt
    if [ ! -e "$venv/$part/.installed" ] || [ "$wanted" -nt "$venv/$part/.installed" ]; then
        "$python" -m venv "$venv/$part"
        timeout 1200 "$venv/$part/bin/python" -m pip install --quiet --disable-pip-version-check -r "$wanted"
        touch "$venv/$part/.installed"
    fi
done

# Each scenario has limits of its own; this one is for all of them together.
LAB_MITMDUMP="$PWD/$venv/mitmproxy/bin/mitmdump" LAB_PX="$PWD/$venv/px/bin/px" PYTHONPATH="$PWD" \
    timeout --signal=INT 3600 "$venv/clients/bin/python" -W ignore -m lab.run --out "$out"
