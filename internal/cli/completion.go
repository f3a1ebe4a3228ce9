package cli

import (
	"bytes"

	"github.com/spf13/cobra"
)

// withoutPackage follows cobra's script for bash, which takes the words of the command line from the bash-completion package.
const withoutPackage = `
# Without the bash-completion package: bash splits words at characters such as = and :, which are a part of keys and flags.
# Join what no space separates.
if ! declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
    __kv_init_completion()
    {
        local rest=${COMP_LINE:0:COMP_POINT} blanks piece i
        COMPREPLY=() words=()
        for ((i = 0; i <= COMP_CWORD; i++)); do
            blanks=${rest%%[![:blank:]]*}
            rest=${rest#"$blanks"}
            piece=${COMP_WORDS[i]}
            if ((i == COMP_CWORD)); then piece=$rest; fi
            rest=${rest#"$piece"}
            if ((i == 0)) || [[ -n $blanks ]]; then
                words+=("$piece")
            else
                words[${#words[@]}-1]+=$piece
            fi
        done
        cword=$((${#words[@]} - 1))
        cur=${words[cword]}
        prev=${words[cword-1]}
    }
fi
`

// addCompletion adds cobra's command for completion scripts to root, with one for bash that needs nothing but bash.
func addCompletion(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	if all, _, err := root.Find([]string{"completion"}); err == nil {
		all.Args, all.RunE = cobra.ArbitraryArgs, helpOrUnknown
	}
	bash, _, err := root.Find([]string{"completion", "bash"})
	if err != nil {
		return
	}
	bash.Long = `Generate the completion script for bash. It works with and without the
bash-completion package.

To complete in the current shell:

    source <(kv completion bash)

To complete in every new one, add that line to ~/.bashrc.`
	bash.RunE = func(cmd *cobra.Command, _ []string) error {
		bare, _ := cmd.Flags().GetBool("no-descriptions") // cobra has the flag
		var script bytes.Buffer
		if err := root.GenBashCompletionV2(&script, !bare); err != nil {
			return err
		}
		script.WriteString(withoutPackage)
		_, err := script.WriteTo(cmd.OutOrStdout())
		return err
	}
}
