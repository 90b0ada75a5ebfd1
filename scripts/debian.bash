# Functions for scripts that unpack Debian's packages into the user's cache, without root. A script
# that sources this has set:
#   me       its name, for what it says
#   suite    the suite of Debian
#   tree     the directory that is made. It gets its name when it is complete, in one step.
#   nascent  its name until then; what is there is what a run has left that was killed

readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

say() { echo "$me: $*" >&2; }
fail() { say "$*"; exit 1; }

give_up() {
	tail -n 5 "$nascent/log" >&2
	fail "$*"
}

# own_apt is apt with lists, a cache and a list of installed packages of its own: empty
# ones, so that it fetches all that a package needs.
own_apt() {
	local dir=$nascent/apt
	apt-get --quiet --yes \
		-o Dir::State="$dir/state" -o Dir::State::status="$dir/status" -o Dir::Cache="$dir/cache" \
		-o Dir::Etc::sourcelist="$dir/sources.list" -o Dir::Etc::sourceparts=- \
		-o Dir::Etc::preferences=- -o Dir::Etc::preferencesparts=- \
		-o Acquire::Languages=none -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20 \
		-o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false \
		-o APT::Update::Error-Mode=any -o Debug::NoLocking=true -o Dpkg::Use-Pty=0 \
		"$@" </dev/null >>"$nascent/log" 2>&1
}

# find_mirror looks for one of the machine's mirrors that has the suite. The signature tells:
# a mirror of something else is passed over.
find_mirror() {
	local mirror
	while read -r mirror; do
		echo "deb [signed-by=$keyring] $mirror $suite main" >"$nascent/apt/sources.list"
		if own_apt update; then return 0; fi
	done < <(apt-get --print-uris update 2>/dev/null | sed -n "s|^'\(.*\)/dists/.*/InRelease' .*|\1|p" | sort -u)
	return 1
}

# fetch PACKAGE...: unpacks the packages and all that they need into $nascent/root, but for those whose
# names begin with one of the words in $leave_out.
fetch() {
	mkdir -p "$nascent"/apt/{state/lists/partial,cache/archives/partial} "$nascent/root"
	: >"$nascent/apt/status"
	find_mirror || give_up "no mirror of this machine has Debian's $suite"
	own_apt --download-only install "$@" libc6 || give_up "apt could not fetch $* of Debian's $suite"
	local word package
	for word in ${leave_out:-}; do rm -f "$nascent"/apt/cache/archives/"$word"*.deb; done
	for package in "$nascent"/apt/cache/archives/*.deb; do dpkg-deb --extract "$package" "$nascent/root"; done
	rm -rf "$nascent/apt" "$nascent/root"/usr/share/{doc,man,locale}
}

# start_by_own_loader has a program start with the C library of its own Debian, which may be
# newer than this machine's. It finds the tree where it lies, or else where the tree will be.
start_by_own_loader() {
	local binary=$1 place=${1#"$nascent/root"} loader libraries= dir
	loader=$(cd "$nascent/root" && ls {usr/,}lib/*-linux-gnu*/ld-linux*.so.* 2>/dev/null | head -n 1) || true
	[[ -n $loader ]] || fail "no loader is among the packages"
	for dir in $(cd "$nascent/root" && ls -d {usr/,}lib/*-linux-gnu* 2>/dev/null); do libraries+=\$root/$dir:; done
	mv "$binary" "$binary.bin"
	cat >"$binary" <<-EOF
		#!/bin/sh
		case \$0 in *$place) root=\${0%$place} ;; *) root=$tree/root ;; esac
		exec "\$root/$loader" --argv0 "\$0" --library-path "${libraries%:}" "\$root$place.bin" "\$@"
	EOF
	chmod 755 "$binary"
}

# once COMMAND: runs the command, which makes what is to be $tree in $nascent, unless it is there
# already. Of several processes one does, and the others wait for it.
once() {
	[[ -d $tree ]] && return
	mkdir -p "$(dirname "$tree")"
	local lock
	exec {lock}>"$tree.lock"
	flock "$lock" # the lock ends with this process, however it ends
	[[ -d $tree ]] && return
	command -v apt-get >/dev/null && [[ -e $keyring ]] || fail "it unpacks packages of Debian, which this is not"
	say "unpacking packages of Debian's $suite into $tree"
	rm -rf "$nascent"
	trap 'rm -rf "$nascent"' EXIT
	"$@"
	mv "$nascent" "$tree"
}
