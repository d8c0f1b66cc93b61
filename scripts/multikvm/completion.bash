# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash disable=SC2207
# Completion of multikvm, which is asked for its commands and its tags.
_multikvm() {
	local word=${COMP_WORDS[COMP_CWORD]} words=() i
	COMPREPLY=()
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--)
			_command_offset $((i + 1))
			return
			;;
		-*) ;;
		*) words+=("${COMP_WORDS[i]}") ;;
		esac
	done
	case ${words[*]} in
	'') COMPREPLY=($(compgen -W "--json $(multikvm --help | sed -n 's/^  \([a-z]\+\) .*/\1/p')" -- "$word")) ;;
	load | unload | use | ps | run | remove | status)
		COMPREPLY=($(compgen -W "$(multikvm list --names 2>/dev/null)" -- "$word"))
		;;
	'move' | 'move '*)
		case ${COMP_WORDS[COMP_CWORD - 1]} in
		--max-pause | --parallel | --rate) return ;;
		esac
		if [[ ${#words[@]} -eq 1 && " ${COMP_WORDS[*]} " != *' --all '* ]]; then
			COMPREPLY=($(compgen -W "$(multikvm ps 2>/dev/null | awk 'NR > 1 { print $3 }') --all --dry-run" -- "$word"))
		else
			COMPREPLY=($(compgen -W "$(multikvm list --names 2>/dev/null) --max-pause --dry-run --parallel --rate --json" -- "$word"))
		fi
		;;
	'run '*) COMPREPLY=($(compgen -W -- -- "$word")) ;;
	install)
		COMPREPLY=($(compgen -d -W "--kernel --vac --host-files --json" -- "$word"))
		;;
	build*)
		case ${COMP_WORDS[COMP_CWORD - 1]} in
		--from | --patch) COMPREPLY=($(compgen -f -W "newest oldest" -- "$word")) ;;
		*) COMPREPLY=($(compgen -W "--from --series --patch --json" -- "$word")) ;;
		esac
		;;
	list) COMPREPLY=($(compgen -W "--names --json" -- "$word")) ;;
	esac
}
complete -F _multikvm multikvm
