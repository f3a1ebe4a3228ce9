#!/bin/sh
# Installs kv, the command of key-value, in version @VERSION@.
#
#   sh install.sh             into ~/.local/bin, or as root into /usr/local/bin
#   sh install.sh --dir DIR
#
# It downloads the archive for this system, and installs nothing unless the SHA-256 of the archive is the one below. It
# needs curl or wget, tar, and one of sha256sum, shasum and openssl. KV_INSTALL_URL names a mirror to download from.
set -eu

version='@VERSION@'
url=${KV_INSTALL_URL:-'@URL@'}
checksums='@CHECKSUMS@'

usage='usage: sh install.sh [--dir DIR]'

# Nothing runs before the last line, so a script that was cut off does nothing.
main() {
  dir=
  while [ $# -gt 0 ]; do
    case $1 in
    --dir=*) dir=${1#--dir=} ;;
    --dir)
      [ $# -gt 1 ] || fail "--dir needs a directory; $usage"
      dir=$2
      shift
      ;;
    -h | --help)
      echo "$usage"
      exit
      ;;
    *) fail "unknown argument \"$1\"; $usage" ;;
    esac
    shift
  done
  [ -n "$dir" ] || dir=$(default_dir)

  system=$(system)
  architecture=$(architecture)
  name=kv_${version}_${system}_$architecture
  want=$(checksum_of "$name.tar.gz")
  [ -n "$want" ] || fail "kv $version is not released for $system on $architecture: build it from source with Go"
  command -v tar >/dev/null || fail "tar is not installed"
  sha256=$(sha256)

  work=$(mktemp -d)
  staged=
  trap 'rm -rf "$work" "$staged"' EXIT
  trap 'exit 130' INT TERM
  download "$url/$name.tar.gz" "$work/archive"
  got=$($sha256 "$work/archive")
  got=${got%% *}
  [ "$got" = "$want" ] || fail "$url/$name.tar.gz has the wrong checksum, so nothing was installed: its SHA-256 is $got, want $want"
  tar -xzf "$work/archive" -C "$work" "$name/kv" || fail "cannot unpack $name.tar.gz"

  mkdir -p "$dir" || fail "cannot make the directory $dir: choose another one with --dir"
  staged=$dir/.kv.$$
  cp "$work/$name/kv" "$staged" || fail "cannot write to $dir: choose another directory with --dir"
  chmod 755 "$staged"
  "$staged" version >/dev/null || fail "kv does not run from $dir, so nothing was installed"
  mv -f "$staged" "$dir/kv"
  echo "kv $version is installed as $dir/kv"
  case :$PATH: in
  *:"$dir":*) ;;
  *) echo "$dir is not in PATH. To add it: export PATH=\"$dir:\$PATH\"" ;;
  esac
}

fail() {
  echo "install.sh: $*" >&2
  exit 1
}

default_dir() {
  if [ "$(id -u)" = 0 ]; then
    echo /usr/local/bin
  elif [ -n "${HOME:-}" ]; then
    echo "$HOME/.local/bin"
  else
    fail "HOME is not set: choose a directory with --dir"
  fi
}

system() {
  case $(uname -s) in
  Linux) echo linux ;;
  Darwin) echo darwin ;;
  *) fail "kv is not released for $(uname -s): on Windows, download the .zip from $url; elsewhere, build it from source with Go" ;;
  esac
}

architecture() {
  case $(uname -m) in
  x86_64 | amd64) echo amd64 ;;
  aarch64 | arm64) echo arm64 ;;
  *) fail "kv is not released for $(uname -m) processors: build it from source with Go" ;;
  esac
}

# checksum_of NAME prints the SHA-256 that the archive NAME must have, or nothing if there is no such archive.
checksum_of() {
  echo "$checksums" | while read -r sum file; do
    if [ "$file" = "$1" ]; then echo "$sum"; fi
  done
}

# sha256 prints the command that prints the SHA-256 of a file, followed by a space.
sha256() {
  if command -v sha256sum >/dev/null; then
    echo sha256sum
  elif command -v shasum >/dev/null; then
    echo shasum -a 256
  elif command -v openssl >/dev/null; then
    echo openssl dgst -sha256 -r
  else
    fail "cannot check the download, so nothing was installed: install sha256sum, shasum or openssl"
  fi
}

# download URL FILE
download() {
  if command -v curl >/dev/null; then
    curl -fsSL -o "$2" "$1"
  elif command -v wget >/dev/null; then
    wget -q -O "$2" "$1"
  else
    fail "neither curl nor wget is installed"
  fi || fail "cannot download $1"
}

main "$@"
