package payload

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
)

var (
	block = regexp.MustCompile(`(?ms)^(message|enum) (\w+) \{$(.*?)^\}$`)
	field = regexp.MustCompile(`(?m)^ +(?:optional |repeated )?(\w+) (\w+) = (\d+);`)
	value = regexp.MustCompile(`(?m)^ +(\w+) = (\d+);`)
)

// TestTheCodeIsTheSchemas: the schema was not changed without making the code anew.
func TestTheCodeIsTheSchemas(t *testing.T) {
	schema, err := os.ReadFile("payload.proto")
	require.NoError(t, err)
	messages := 0
	for _, b := range block.FindAllStringSubmatch(string(schema), -1) {
		if b[1] == "enum" {
			values := File_payload_proto.Enums().ByName(protoreflect.Name(b[2])).Values()
			listed := value.FindAllStringSubmatch(b[3], -1)
			require.Len(t, listed, values.Len())
			for i, v := range listed {
				require.Equal(t, v[1], string(values.Get(i).Name()))
				require.Equal(t, v[2], strconv.Itoa(int(values.Get(i).Number())))
			}
			continue
		}
		messages++
		fields := File_payload_proto.Messages().ByName(protoreflect.Name(b[2])).Fields()
		listed := field.FindAllStringSubmatch(b[3], -1)
		require.Len(t, listed, fields.Len(), b[2])
		for _, f := range listed {
			made := fields.ByName(protoreflect.Name(f[2]))
			require.NotNil(t, made, f[2])
			require.Equal(t, f[3], strconv.Itoa(int(made.Number())), f[2])
			kind := made.Kind().String()
			if made.Kind() == protoreflect.MessageKind {
				kind = string(made.Message().Name())
			}
			require.Equal(t, f[1], kind, f[2])
		}
	}
	require.Equal(t, File_payload_proto.Messages().Len(), messages)
}
