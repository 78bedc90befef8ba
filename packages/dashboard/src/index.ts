export {
  createDashboard,
  type Dashboard,
  type DashboardHandler,
  type DashboardOptions,
} from './create-dashboard.js'
