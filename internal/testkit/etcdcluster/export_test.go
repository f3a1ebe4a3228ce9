package etcdcluster

// NeedResult is what Need does after building etcd has ended with err.
var NeedResult = need
