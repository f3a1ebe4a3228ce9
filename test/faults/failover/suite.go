package main

import "context"

// suite is what differs between clusters of Redis and of etcd.
type suite struct {
	victims string // what is killed
	file    string // the name of the results
	command string // of kv, for the services
	start   func(ctx context.Context, s *stage) error
	kinds   map[string]inject // :: name → kind of fault
	kills   []string          // the kinds that kill, in turns
	others  []string          // the kinds between kills
	order   []string          // of the kinds in the results
}

var suites = map[string]suite{
	"redis": {
		victims: "primaries", file: "failover", command: "kvservice", start: startRedis,
		kinds: map[string]inject{
			primaryKilled: killPrimary, primaryAlone: killPrimaryAlone, primaryPaused: pausePrimary, primaryHung: hangPrimary,
			primaryOusted: oustPrimary, serviceKilled: killService, replicaKilled: killReplicas, primariesFull: fillPrimaries,
		},
		kills:  []string{primaryKilled, primaryAlone},
		others: []string{primaryPaused, primaryHung, primaryOusted, serviceKilled, replicaKilled, primariesFull},
		order: []string{
			primaryKilled, primaryAlone, primaryPaused, primaryHung, primaryOusted, serviceKilled, replicaKilled, primariesFull,
		},
	},
	"etcd": {
		victims: "leaders", file: "etcd", command: "serve", start: startEtcd,
		kinds: map[string]inject{
			leaderKilled: killLeader, leaderStopped: stopLeader, leaderCutOff: cutOffLeader, mostGone: killMost,
			etcdFull: fillEtcd, etcdRestored: restoreEtcd, serverKilled: killService,
		},
		kills:  []string{leaderKilled},
		others: []string{leaderStopped, leaderCutOff, mostGone, etcdFull, etcdRestored, serverKilled},
		order:  []string{leaderKilled, leaderStopped, leaderCutOff, mostGone, etcdFull, etcdRestored, serverKilled},
	},
}
