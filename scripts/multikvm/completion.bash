# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2207
# Completion of multikvm, which is asked for its commands and its tags.
_multikvm() {
	local word=${COMP_WORDS[COMP_CWORD]} i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		load | unload | use | ps | run)
			[ "$i" -ne $((COMP_CWORD - 1)) ] ||
				COMPREPLY=($(compgen -W "$(multikvm list --names 2>/dev/null)" -- "$word"))
			return
			;;
		*) return ;;
		esac
	done
	COMPREPLY=($(compgen -W "--json $(multikvm --help | sed -n 's/^  \([a-z]\+\) .*/\1/p')" -- "$word"))
}
complete -F _multikvm multikvm
