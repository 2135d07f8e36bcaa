package lambdafn

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
)

// CountThrottles is for the APIOptions of a client: it calls count for every try that AWS
// refused for want of capacity. The SDK tries again, so that most of them hurt nobody and
// are seen nowhere else by who made the call.
func CountThrottles(count func()) func(*middleware.Stack) error {
	refused := retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}
	each := middleware.FinalizeMiddlewareFunc("CountThrottles", func(
		ctx context.Context,
		in middleware.FinalizeInput,
		next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleFinalize(ctx, in)
		if err != nil && refused.IsErrorThrottle(err) == aws.TrueTernary {
			count()
		}
		return out, metadata, err
	})
	return func(s *middleware.Stack) error { return s.Finalize.Insert(each, "Retry", middleware.After) }
}
