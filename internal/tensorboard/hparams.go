package tensorboard

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// The tags that TensorBoard's table of hyperparameters reads.
const (
	sessionStartTag = "_hparams_/session_start_info"
	SessionEndTag   = "_hparams_/session_end_info" // the last of a run counts
)

// Numbers of the fields of HParamsPluginData and of what is in it.
const (
	pluginStart = 3 // SessionStartInfo
	pluginEnd   = 4 // SessionEndInfo

	startHParams = 1 // map<string, google.protobuf.Value>
	startTime    = 5 // double
	endStatus    = 1 // enum Status
	endTime      = 2 // double

	mapKey   = 1
	mapValue = 2

	anyNumber = 2 // of google.protobuf.Value
	anyString = 3
	anyBool   = 4
)

// SessionStart says with which hyperparameters a run began: numbers, texts and booleans by name. The
// table's columns follow from those of all runs, and so do its metrics: the scalars.
func SessionStart(at time.Time, hparams map[string]any) Value {
	var s []byte
	for _, name := range slices.Sorted(maps.Keys(hparams)) {
		var v []byte
		switch x := hparams[name].(type) {
		case bool:
			v = appendInt(nil, anyBool, int(protowire.EncodeBool(x)))
		case float64:
			v = appendDouble(nil, anyNumber, x)
		default:
			v = appendString(nil, anyString, fmt.Sprint(x))
		}
		s = appendMessage(s, startHParams, appendMessage(appendString(nil, mapKey, name), mapValue, v))
	}
	s = appendDouble(s, startTime, float64(at.Unix()))
	return hparamsValue(sessionStartTag, pluginStart, s)
}

// Status is how a run ended.
type Status int

// The ends of a run.
const (
	Success Status = 1
	Failure Status = 2
)

// SessionEnd says that a run ended.
func SessionEnd(at time.Time, s Status) Value {
	return hparamsValue(SessionEndTag, pluginEnd, appendDouble(appendInt(nil, endStatus, int(s)), endTime, float64(at.Unix())))
}

func hparamsValue(tag string, field protowire.Number, m []byte) Value {
	return appendMetadata(value(tag), "hparams", appendMessage(nil, field, m), "", 0)
}
