import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common'
import { PoolhouseError } from '@poolhouse/core'
import type { Response } from 'express'

/** Tells clients to repeat only what is safe. */
@Catch(PoolhouseError)
export class PoolhouseExceptionFilter implements ExceptionFilter<PoolhouseError> {
  catch({ code, executed, retryable }: PoolhouseError, host: ArgumentsHost): void {
    const response = host.switchToHttp().getResponse<Response>()
    const isSafe = executed === 'no' || executed === 'rolled-back'
    if (isSafe && retryable) response.set('retry-after', '1')
    response.status(isSafe ? 503 : 500).json({ error: code, executed })
  }
}
