package numbering_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	commonv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/common/v1"
	numberingv1 "github.com/switchboard-phone/switchboard/proto/gen/go/switchboard/numbering/v1"
	"github.com/switchboard-phone/switchboard/services/platform/testkit"
)

func createRequest(b *bundle, numbers ...string) *numberingv1.BatchCreatePhoneNumbersRequest {
	req := &numberingv1.BatchCreatePhoneNumbersRequest{Parent: b.parent()}
	for _, n := range numbers {
		req.PhoneNumbers = append(req.PhoneNumbers, &numberingv1.PhoneNumber{Number: n, State: numberingv1.PhoneNumber_ASSIGNED, Assignee: "x"})
	}
	return req
}

func TestPhoneNumbers(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		at := timestamppb.New(b.clock.Now().Truncate(time.Microsecond))
		made, err := b.numbers.BatchCreatePhoneNumbers(b.admin, createRequest(b, "+442079460001", "+15550100", "+441632960001"))
		require.NoError(t, err)
		message := func(n string) *numberingv1.PhoneNumber {
			return &numberingv1.PhoneNumber{
				Name: b.parent() + "/phoneNumbers/" + n, Number: n, State: numberingv1.PhoneNumber_AVAILABLE, CreateTime: at,
			}
		}
		equal(t, []*numberingv1.PhoneNumber{message("+442079460001"), message("+15550100"), message("+441632960001")}, made.GetPhoneNumbers())
		equal(t, []*numberingv1.PhoneNumber{message("+15550100"), message("+441632960001"), message("+442079460001")}, b.listed("", ""))

		owner := b.owner()
		b.assign(b.pkg("P", 1), want(owner, "+15550100", "+441632960001"))
		_, err = b.assignments.UnassignNumbers(b.license, &numberingv1.UnassignNumbersRequest{
			Parent: b.parent(), Owner: owner, PhoneNumbers: []string{"+15550100"}, Quarantine: durationpb.New(time.Hour),
		})
		require.NoError(t, err)
		assigned, quarantined := message("+441632960001"), message("+15550100")
		assigned.State, assigned.Assignee = numberingv1.PhoneNumber_ASSIGNED, owner
		quarantined.State, quarantined.QuarantineTime = numberingv1.PhoneNumber_QUARANTINED, timestamppb.New(at.AsTime().Add(time.Hour))
		equal(t, []*numberingv1.PhoneNumber{assigned}, b.listed(fmt.Sprintf("assignee = %q", owner), ""))
		equal(t, []*numberingv1.PhoneNumber{assigned}, b.listed("state = ASSIGNED", ""))
		equal(t, []*numberingv1.PhoneNumber{quarantined}, b.listed("state = QUARANTINED", ""))
		equal(t, []*numberingv1.PhoneNumber{message("+442079460001")}, b.listed("state = AVAILABLE", ""))
		equal(t, []*numberingv1.PhoneNumber{assigned}, b.listed("", "(1632) 96-0"))
		require.Empty(t, b.listed(`assignee = "accounts/b/phoneUsers/p"`, ""))
		b.clock.Advance(time.Hour)
		require.Len(t, b.listed("state = AVAILABLE", ""), 2)

		remove := &numberingv1.BatchDeletePhoneNumbersRequest{Parent: b.parent(), PhoneNumbers: []string{"+15550100", "+441632960001"}}
		_, err = b.numbers.BatchDeletePhoneNumbers(b.admin, remove)
		require.Equal(t, "+441632960001", refused(t, err, commonv1.Reason_NUMBER_NOT_AVAILABLE, "phone_numbers[1]")["number"])
		remove.PhoneNumbers[1] = "+442079460001"
		_, err = b.numbers.BatchDeletePhoneNumbers(b.admin, remove)
		require.NoError(t, err)
		require.Len(t, b.listed("", ""), 1)
		_, err = b.numbers.BatchDeletePhoneNumbers(b.admin, remove)
		require.Equal(t, b.parent()+"/phoneNumbers/+15550100",
			refused(t, err, commonv1.Reason_NOT_FOUND, "phone_numbers[0]", "phone_numbers[1]")["resource"])
	})
}

func TestPhoneNumbersRefused(t *testing.T) {
	t.Parallel()
	testkit.EachEngine(t, func(t *testing.T, e testkit.Engine) {
		b := setup(t, e)
		b.numbered(2)
		create := func(numbers ...string) error {
			_, err := b.numbers.BatchCreatePhoneNumbers(b.admin, createRequest(b, numbers...))
			return err
		}
		remove := func(numbers ...string) error {
			_, err := b.numbers.BatchDeletePhoneNumbers(b.admin, &numberingv1.BatchDeletePhoneNumbersRequest{Parent: b.parent(), PhoneNumbers: numbers})
			return err
		}
		many := make([]string, 1001)
		for i := range many {
			many[i] = fmt.Sprintf("+1555020%04d", i)
		}
		for _, call := range []func(...string) error{create, remove} {
			refused(t, call(), commonv1.Reason_BATCH_EMPTY)
			meta := refused(t, call(many...), commonv1.Reason_BATCH_TOO_LARGE)
			require.Equal(t, map[string]string{"limit": "1000", "count": "1001"}, meta)
			refused(t, call("+15550200001", "+15550200002", "+15550200001", "+15550200001"), commonv1.Reason_DUPLICATE_IN_BATCH,
				"phone_numbers[2]", "phone_numbers[3]")
		}
		require.NoError(t, create(many[:1000]...))

		bad := []string{"", "+", "15550100001", "+05550100001", "+1555", "+1234567890123456", "+1 555 0100001", "+1555010000a", "+१५५५०१००००१"}
		for _, n := range bad {
			require.Equal(t, n, refused(t, create("+15550300001", n), commonv1.Reason_NUMBER_INVALID, "phone_numbers[1]")["number"])
		}
		refused(t, create("+15550300001", "+1555010000\x00"), commonv1.Reason_FIELD_INVALID, "phone_numbers[1].number")
		refused(t, remove(bad[0], "+15550300001", bad[8]), commonv1.Reason_NOT_FOUND, "phone_numbers[0]", "phone_numbers[2]")
		meta := refused(t, create("+15550300001", "+15550100001", "+15550100000"), commonv1.Reason_NUMBER_EXISTS, "phone_numbers[1]", "phone_numbers[2]")
		require.Equal(t, "+15550100001", meta["number"])
		require.Empty(t, b.listed("", "+1555030"))

		for _, filter := range []string{"state = NOPE", "nope = 1", "state =", `assignee = 5`} {
			_, err := b.numbers.ListPhoneNumbers(b.admin, &numberingv1.ListPhoneNumbersRequest{Parent: b.parent(), Filter: filter})
			refused(t, err, commonv1.Reason_FILTER_INVALID)
		}
		first, err := b.numbers.ListPhoneNumbers(b.admin, &numberingv1.ListPhoneNumbersRequest{Parent: b.parent(), PageSize: 10})
		require.NoError(t, err)
		require.Equal(t, int32(1002), first.GetTotalSize())
		_, err = b.numbers.ListPhoneNumbers(b.admin, &numberingv1.ListPhoneNumbersRequest{
			Parent: b.parent(), PageToken: first.GetNextPageToken(), Filter: "state = AVAILABLE",
		})
		refused(t, err, commonv1.Reason_PAGE_TOKEN_INVALID)
	})
}
