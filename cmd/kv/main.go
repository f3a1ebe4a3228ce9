// Command kv is a key-value store in memory that anything which speaks HTTP can use: its two services, alone
// or in one process, and a client of them.
//
// `kv help` lists the commands, and `kv help COMMAND` the flags of each with the variable of the environment
// that stands for it. Secrets come from the environment alone.
package main

import (
	"os"

	"key-value/internal/cli"
)

// version is set by the linker when a release is built.
var version = "development"

func main() { os.Exit(cli.Main(version)) }
