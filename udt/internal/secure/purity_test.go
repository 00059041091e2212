package secure

import (
	"testing"

	"github.com/udtgo/udtgo/udt/internal/purity"
)

func TestPackageIsPure(t *testing.T) { purity.Check(t, ".") }
