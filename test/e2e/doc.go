// Package e2e tests the program as its users do: the real binary, in processes, over sockets, with curl, grpcurl, buf
// and plain net/http.
//
// Of the store it imports only internal/testkit/proc, which starts the processes.
//
// Servers listen on ports that the system chooses, except in TestReadme, which runs the README's commands verbatim and
// needs ports 8888 and 50051.
package e2e
