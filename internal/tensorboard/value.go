package tensorboard

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of Summary.Value and of what is in it.
const (
	valueTag      = 1 // string
	valueScalar   = 2 // float
	valueImage    = 4 // Image
	valueHisto    = 5 // HistogramProto
	valueTensor   = 8 // TensorProto
	valueMetadata = 9 // SummaryMetadata

	metadataPlugin      = 1 // PluginData
	metadataDescription = 3 // string, in Markdown
	metadataClass       = 4 // enum DataClass
	pluginName          = 1 // string
	pluginContent       = 2 // bytes
	classTensor         = 2

	imageHeight = 1
	imageWidth  = 2
	imageColour = 3 // 3 for RGB
	imageBytes  = 4 // of a PNG or JPEG file

	histoMin     = 1 // double
	histoMax     = 2 // double
	histoCount   = 3 // double
	histoSum     = 4 // double
	histoSquares = 5 // double
	histoLimits  = 6 // packed doubles: right ends of the buckets
	histoBuckets = 7 // packed doubles: numbers in them

	tensorDType   = 1 // enum DataType, 7 for strings
	tensorShape   = 2 // TensorShapeProto
	tensorStrings = 8 // repeated bytes
	shapeDim      = 2 // repeated Dim
	dimSize       = 1 // int64
	dtypeString   = 7
)

// Value is a named value, in protobuf.
type Value []byte

func value(tag string) Value { return appendString(nil, valueTag, tag) }

// Scalar is a number. It may be NaN or infinite.
func Scalar(tag string, v float64) Value {
	b := protowire.AppendTag(value(tag), valueScalar, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, math.Float32bits(float32(v)))
}

// Text is a text in Markdown.
func Text(tag, markdown string) Value {
	dim := appendInt(nil, dimSize, 1)
	t := appendInt(nil, tensorDType, dtypeString)
	t = appendMessage(t, tensorShape, appendMessage(nil, shapeDim, dim))
	t = appendString(t, tensorStrings, markdown)
	b := appendMessage(value(tag), valueTensor, t)
	return appendMetadata(b, "text", nil, "", classTensor)
}

// Picture is a picture as a file.
type Picture struct {
	Width, Height int
	Bytes         []byte // of a PNG or JPEG file
}

// Image is a picture. Only the description of the first one of a tag counts.
func Image(tag, description string, p *Picture) Value {
	i := appendInt(nil, imageHeight, p.Height)
	i = appendInt(i, imageWidth, p.Width)
	i = appendInt(i, imageColour, 3)
	i = appendMessage(i, imageBytes, p.Bytes)
	b := appendMessage(value(tag), valueImage, i)
	return appendMetadata(b, "images", nil, description, 0)
}

// buckets is the number of buckets of a histogram. TensorBoard shows 30.
const buckets = 60

// Histogram counts numbers in equal buckets from the smallest to the largest. Numbers that are not
// finite are left out.
func Histogram(tag string, of []float32) Value {
	low, high := math.Inf(1), math.Inf(-1)
	for _, x := range of {
		if v := float64(x); !math.IsInf(v, 0) { // comparisons with NaN are false
			low, high = less(v, low), more(v, high)
		}
	}
	if low > high { // none
		low, high = 0, 0
	}
	var count, sum, squares float64
	counts := make([]float64, buckets)
	for _, x := range of {
		v := float64(x)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		at := 0
		if high > low {
			at = min(int((v-low)/(high-low)*buckets), buckets-1)
		}
		counts[at]++
		count, sum, squares = count+1, sum+v, squares+v*v
	}
	limits := make([]float64, buckets)
	for i := range limits {
		limits[i] = low + (high-low)*float64(i+1)/buckets
	}
	limits[buckets-1] = high
	if high == low { // one bucket holds them all
		limits, counts = []float64{math.Nextafter(high, math.Inf(1))}, counts[:1]
	}
	var h []byte
	for _, f := range []struct {
		field protowire.Number
		v     float64
	}{{histoMin, low}, {histoMax, high}, {histoCount, count}, {histoSum, sum}, {histoSquares, squares}} {
		h = appendDouble(h, f.field, f.v)
	}
	h = appendDoubles(h, histoLimits, limits)
	h = appendDoubles(h, histoBuckets, counts)
	return appendMessage(value(tag), valueHisto, h)
}

// less is the smaller of v and low, and low where v is no number.
func less(v, low float64) float64 {
	if v < low {
		return v
	}
	return low
}

func more(v, high float64) float64 {
	if v > high {
		return v
	}
	return high
}

func appendMetadata(b Value, plugin string, content []byte, description string, class int) Value {
	p := appendString(nil, pluginName, plugin)
	if len(content) > 0 {
		p = appendMessage(p, pluginContent, content)
	}
	m := appendMessage(nil, metadataPlugin, p)
	if description != "" {
		m = appendString(m, metadataDescription, description)
	}
	if class != 0 {
		m = appendInt(m, metadataClass, class)
	}
	return appendMessage(b, valueMetadata, m)
}

func appendMessage(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendInt(b []byte, field protowire.Number, v int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendDoubles(b []byte, field protowire.Number, vs []float64) []byte {
	packed := make([]byte, 0, 8*len(vs))
	for _, v := range vs {
		packed = protowire.AppendFixed64(packed, math.Float64bits(v))
	}
	return appendMessage(b, field, packed)
}
