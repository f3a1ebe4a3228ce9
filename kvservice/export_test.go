package kvservice

// Exported for the fuzz targets.
var (
	PageToken        = pageToken
	ParsePageToken   = parsePageToken
	ResumeToken      = resumeToken
	ParseResumeToken = parseResumeToken
	ReadTTL          = readTTL
)
